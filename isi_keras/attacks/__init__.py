"""Attacks: a plan with `start` and `step`; a base checks, compiles, drives and records."""
