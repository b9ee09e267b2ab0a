"""serverless.yml: its model, its schema, and how it is read with the line of every mistake."""
