print("soniq-pack: not built yet")
