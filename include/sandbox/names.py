"""Names for people who do not exist, of the many shapes that names have: apostrophes, accents, spaces, hyphens and two
surnames, because these are what breaks a username rule or a match.
"""

from __future__ import annotations

import unicodedata

GIVEN = (
    "Aaliyah", "Aaron", "Abigail", "Adrian", "Aisha", "Alejandra", "Alexander", "Amara", "Amelia", "Ana María",
    "Andre", "Angela", "Anthony", "Aria", "Asher", "Ava", "Benjamin", "Bianca", "Brandon", "Caleb", "Camila", "Carlos",
    "Caroline", "Chloë", "Christopher", "Claire", "Daniel", "Daria", "David", "DeShawn", "Diego", "Dominic", "Eleanor",
    "Elena", "Elijah", "Elizabeth", "Emeka", "Emily", "Emma", "Ethan", "Eva", "Ezra", "Fatima", "Felix", "Fiona",
    "Gabriel", "Gianna", "Grace", "Hana", "Hannah", "Harper", "Henry", "Hiroshi", "Ibrahim", "Imani", "Isaac",
    "Isabella", "Ivan", "Jack", "Jacob", "Jada", "James", "Jasmine", "Javier", "Jayden", "Jean-Luc", "Jin",
    "John Paul", "Jordan", "José", "Joshua", "Juan Carlos", "Julia", "Kai", "Karim", "Katherine", "Keisha", "Kenji",
    "Kiara", "Lakshmi", "Laura", "Layla", "Leah", "Leo", "Liam", "Lily", "Logan", "Lucas", "Lucía", "Luna", "Madison",
    "Malik", "Marcus", "Maria", "Mary Ann", "Mason", "Mateo", "Maya", "Mia", "Michael", "Minh", "Miriam", "Mohammed",
    "Naomi", "Natalie", "Nathan", "Nia", "Noah", "Nora", "Oliver", "Olivia", "Omar", "Owen", "Paige", "Parker",
    "Penelope", "Priya", "Quinn", "Rachel", "Rafael", "Ravi", "Rebecca", "Renée", "Riley", "Rosa", "Ruth", "Ryan",
    "Samantha", "Samuel", "Sara", "Sebastián", "Simone", "Sofía", "Sophia", "Stella", "Tariq", "Theo", "Thomas",
    "Tyler", "Valentina", "Victoria", "Vikram", "Violet", "William", "Wyatt", "Xavier", "Ximena", "Yara", "Yusuf",
    "Zachary", "Zara", "Zoë",
)  # fmt: skip

FAMILY = (
    "Adams", "Ahmed", "Alvarez", "Anderson", "Bailey", "Baker", "Begay", "Bell", "Bennett", "Brooks", "Brown", "Bui",
    "Campbell", "Carter", "Castillo", "Chen", "Clark", "Cohen", "Collins", "Cooper", "Cruz", "D'Angelo", "Davis",
    "de la Cruz", "Diaz", "Dubois", "Edwards", "Evans", "Fernández", "Fischer", "Flores", "Foster", "Franklin",
    "Garcia", "García Márquez", "Gomez", "González", "Gray", "Green", "Gupta", "Gutiérrez", "Hall", "Hansen", "Harris",
    "Hassan", "Hernandez", "Hill", "Howard", "Huang", "Hughes", "Ibarra", "Ivanov", "Jackson", "James", "Jenkins",
    "Jensen", "Johnson", "Jones", "Kaur", "Kelly", "Khan", "Kim", "King", "Kowalski", "Le", "Lee", "Lewis", "Li",
    "Long", "Lopez", "López Rivera", "Martin", "Martinez", "McDonald", "Mendoza", "Miller", "Mitchell", "Mohamed",
    "Moore", "Morales", "Morgan", "Morris", "Müller", "Murphy", "Nakamura", "Nelson", "Nguyen", "Novák", "Núñez",
    "O'Brien", "O'Connor", "O'Neil", "Okafor", "Ortiz", "Owens", "Park", "Parker", "Patel", "Pérez", "Perry",
    "Peterson", "Phillips", "Powell", "Price", "Ramirez", "Reed", "Reyes", "Reynolds", "Richardson", "Rivera",
    "Roberts", "Robinson", "Rodriguez", "Rogers", "Ross", "Ruiz", "Russell", "Sanchez", "Sanders", "Santos", "Sato",
    "Schneider", "Scott", "Shah", "Silva", "Singh", "Smith", "Smith-Jones", "St. Clair", "Stewart", "Sullivan",
    "Taylor", "Thomas", "Thompson", "Torres", "Tran", "Turner", "van den Berg", "Vargas", "Walker", "Ward",
    "Washington", "Watson", "White", "Williams", "Wilson", "Wong", "Wood", "Wright", "Yang", "Young", "Yusuf", "Zhang",
    "Zimmerman",
)  # fmt: skip

SCHOOLS = (
    "Lincoln", "Riverside", "Oak Grove", "Washington", "Sunset", "Cedar Hill", "Franklin", "Prairie View", "Jefferson",
    "Lakeside", "Roosevelt", "Meadowbrook", "Harriet Tubman", "Pine Ridge", "Cesar Chavez", "Willow Creek", "Madison",
    "Stone Bridge", "Rosa Parks", "North Fork", "Eastgate", "Sequoyah", "Highland", "Clearwater",
)  # fmt: skip

BIRTHPLACES = (
    ("Springfield", "IL"), ("Minneapolis", "MN"), ("Des Moines", "IA"), ("San Antonio", "TX"), ("Fresno", "CA"),
    ("Columbus", "OH"), ("Tulsa", "OK"), ("Raleigh", "NC"), ("Omaha", "NE"), ("Lexington", "KY"),
)  # fmt: skip


def plain(name: str) -> str:
    """A name as e-mail systems write it: lower-case ASCII letters only, so `O'Neil` is `oneil` and `José` is `jose`."""
    letters = unicodedata.normalize("NFKD", name).lower()
    return "".join(letter for letter in letters if "a" <= letter <= "z")
