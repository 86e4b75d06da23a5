"""What all services share: the published contract, the values, the bus, the store, the address ledger.

Nothing in here imports `services`.
"""
