"""Who is let in, to what; and what hostile peers cannot do."""
