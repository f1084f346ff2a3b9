"""From rows to statistics, figures, tables and a report; never measures."""
