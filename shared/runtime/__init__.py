"""How a process lives: settings, logging, metrics, health, signals, the consuming loop, the error tree.

In: environment and files. Out: a running service that stops when told. Owns: what an error leads to.
"""
