"""Matrices of classes."""
