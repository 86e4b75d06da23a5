"""One module per noun of the command line.

In: checked options. Out: a query through a service's query module, or a command over the bus, rendered.
"""
