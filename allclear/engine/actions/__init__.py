"""Acts on production: proposed, approved, executed, verified, undone."""
