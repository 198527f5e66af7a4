"""Words for what patterns leave open: rooms, things, and texts of any kind."""

from collections.abc import Mapping, Sequence

OPEN_LISTS: Mapping[str, Sequence[str]] = {
    "area": (
        "kitchen", "bedroom", "living room", "bathroom", "office", "hallway", "nursery", "garage",
        "dining room", "basement", "attic", "guest room", "laundry room", "garden", "balcony",
    ),
    "floor": ("ground floor", "first floor", "second floor", "upstairs", "downstairs", "top floor"),
    "zone": ("home", "work", "school", "the gym", "the office"),
    "search_query": (
        "Miles Davis", "the news", "something by Bach", "Graceland", "piano music", "jazz",
        "the Beatles", "a podcast about history", "songs for dancing", "La Traviata",
    ),
    "timer_name": ("pizza", "tea", "laundry", "egg", "homework", "nap", "bread", "pasta"),
    "timer_command": (
        "turn off the lights", "open the garage door", "lock the front door", "start the vacuum",
        "turn on the heating", "close the blinds", "play some music",
    ),
    "message": ("dinner is ready", "time for bed", "we are leaving", "come downstairs"),
    "shopping_list_item": ("milk", "bread", "apples", "coffee", "batteries", "toothpaste"),
    "todo_list_item": ("call the plumber", "water the plants", "pay the rent", "fix the bike"),
}  # fmt: skip
"""Words of lists that a home fills, or that may be anything."""

NAMES: Mapping[str, Sequence[str]] = {
    "binary_sensor": ("window contact", "motion sensor", "letterbox", "smoke alarm", "back gate"),
    "button": ("doorbell", "restart", "identify", "self test"),
    "climate": ("thermostat", "radiator", "heat pump", "air conditioner", "underfloor heating"),
    "cover": ("left blind", "roller shutter", "garage door", "awning", "bay window curtains"),
    "fan": ("ceiling fan", "desk fan", "extractor", "air purifier"),
    "input_boolean": ("guest mode", "vacation mode", "night mode"),
    "lawn_mower": ("robot", "lawn robot", "back yard", "front yard"),
    "light": ("bedside", "ceiling", "reading", "fairy lights", "desk", "floor lamp", "chandelier"),
    "lock": ("front door", "back door", "shed", "garden gate", "safe"),
    "media_player": ("tv", "speaker", "radio", "soundbar", "projector", "record player"),
    "person": ("Anna", "Jamal", "grandma", "Lucas", "Mei"),
    "scene": ("movie night", "sunset", "party", "cozy evening", "relax"),
    "script": ("good morning", "bedtime routine", "leaving home", "wake up"),
    "sensor": ("outdoor thermometer", "power meter", "air quality", "rain gauge"),
    "switch": ("coffee machine", "kettle", "heated blanket", "dehumidifier", "aquarium pump"),
    "todo": ("chores", "errands", "weekend", "work"),
    "vacuum": ("robot", "hoover", "vacuum robot"),
    "valve": ("sprinkler", "water main", "irrigation", "pool inlet"),
    "weather": ("London", "Nairobi", "Osaka", "Montreal", "the coast"),
}
"""What devices of each kind may be called."""
