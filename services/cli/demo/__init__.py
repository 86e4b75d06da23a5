"""The demo: a whole Patchbay in one process, with a simulated vCenter and somebody who uses it.

In: a number of VMs, a folder to work in. Out: a live screen, or a verdict on every step with a JSON summary.
Owns: its own data folder, which is thrown away when the next demo starts. It acts from outside only: through
the bus, the vSphere API and the simulator's controls; what it states, it has read back from bus and database.
"""
