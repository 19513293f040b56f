"""What people read: text without control characters, tables, and dates. Nothing here knows a district."""
