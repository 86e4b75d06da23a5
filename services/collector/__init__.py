"""What vCenter says, as facts on the bus.

Comes in: property updates of the registered vCenters; `command.vcenter.*`.
Goes out: `vcenter.*`, `inventory.*`, `guest.addresses.changed`, `command.replied`.
Owns: schema `collector` (registered vCenters, stream epochs, known objects) and all that speaks to vSphere.
"""
