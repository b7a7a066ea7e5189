"""Atomic files, the tables of RecBole."""
