"""Decides which trial runs next: proposals, start order, promotions and retries. Does not import Ray."""
