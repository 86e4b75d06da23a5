"""Subnets, reserved addresses, MAC bindings and fixes as files, and files as what is to hold.

In: a YAML or CSV file, and what is known. Out: a file; what the file says differently; commands that make it
so. Owns no state. `forms` says what each entry has, `yaml_text` and `csv_text` spell entries, `differences`
compares.
"""
