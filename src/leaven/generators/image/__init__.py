"""How are new pictures of known categories drawn? They are views of what there is, never items of the catalogue."""
