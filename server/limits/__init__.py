"""How much one user or one address may ask for."""
