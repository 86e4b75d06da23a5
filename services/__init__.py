"""The deployable rooms of Patchbay. A service never imports another; `services.cli` starts them."""
