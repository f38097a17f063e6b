"""Acts on production: proposed, approved, carried out, verified, undone."""
