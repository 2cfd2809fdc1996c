"""Speeds, printed and never asserted."""
