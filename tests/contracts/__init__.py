"""What every implementation of a port has to keep, run over all of them."""
