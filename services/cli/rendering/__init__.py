"""From typed rows to what a person sees.

In: rows of the services' query modules, and events. Out: rich tables, lines and bars. Owns no state.
"""
