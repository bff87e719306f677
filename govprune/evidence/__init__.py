"""Signed, archived, verified: the record that the card is a view of."""
