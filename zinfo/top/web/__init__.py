"""`zinfo top` in a browser: the same model, told as JSON to a page of its own."""
