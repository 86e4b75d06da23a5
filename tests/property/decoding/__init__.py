"""The collector's own decoder against pyVmomi, on made-up answers."""
