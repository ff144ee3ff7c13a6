"""Who may charge at a charging point, at what price: special users, price rules, cards, costs of sessions."""
