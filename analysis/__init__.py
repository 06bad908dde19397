"""Reads saved datasets only: tables, figures, reports."""
