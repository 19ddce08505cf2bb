"""Tests of the evidence: trees, tiles, notes, sealing, and every kind of tampering."""
