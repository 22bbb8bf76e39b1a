"""Mathematics of selfmend: problems, methods and the one loop that fits b networks at once. torch only, no files."""
