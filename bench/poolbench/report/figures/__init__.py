"""The charts: one module a family, each a pure function from a setting to a figure."""
