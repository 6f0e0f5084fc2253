"""What runs next: proposals, order, promotions and what is tried again. Nothing here knows Ray."""
