"""Servers that stand in for the real thing: real HTTP on this machine, no model behind it."""
