"""Results → one HTML page that needs nothing beside it, and a summary for the terminal.

`page.page` needs the extra `report`; nothing else here does.
"""
