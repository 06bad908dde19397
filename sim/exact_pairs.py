from sim.exact_values import expected
