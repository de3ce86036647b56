"""The rows of the fact tables."""

from __future__ import annotations


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    halves = (entry.split("=") for entry in text.replace("\n", " ").split(","))
    return tuple((left.strip(), right.strip()) for left, right in halves)


def _both(text: str) -> tuple[tuple[str, str], ...]:
    pairs = _pairs(text)
    return pairs + tuple((right, left) for left, right in pairs)


def _ring(text: str) -> tuple[tuple[str, str], ...]:
    words = text.split()
    return tuple(zip(words, words[1:] + words[:1], strict=True))


COLOURS = _pairs(
    """the sky=blue, grass=green, snow=white, a banana=yellow, coal=black, the sun=yellow,
    an orange=orange, a leaf=green, milk=white, a lemon=yellow, a strawberry=red, a tomato=red,
    chocolate=brown, a frog=green, a crow=black, a flamingo=pink, the sea=blue, a pumpkin=orange,
    a carrot=orange, a violet=purple, a plum=purple, a lime=green, a cherry=red, a pig=pink,
    an elephant=grey, a polar bear=white, the night=black, a fire engine=red, sand=yellow,
    a swan=white, a mouse=grey, a ruby=red, an emerald=green, a cloud=white, a fox=red,
    a bear=brown, blood=red, rice=white, a cucumber=green, a raven=black, an egg yolk=yellow,
    a grape=purple, a rose=red, wood=brown, the moon=white"""
)
OPPOSITES = _both(
    """hot=cold, big=small, up=down, fast=slow, happy=sad, day=night, open=closed, old=new,
    wet=dry, hard=soft, light=dark, full=empty, good=bad, high=low, left=right, long=short,
    loud=quiet, near=far, early=late, rich=poor, strong=weak, thick=thin, wide=narrow, clean=dirty,
    inside=outside, in=out, on=off, yes=no, black=white, first=last, start=end, true=false,
    sweet=sour, brave=afraid, awake=asleep, above=below, before=after,
    push=pull, win=lose, love=hate, always=never, more=less, young=grown-up, smooth=rough,
    winter=summer, north=south, east=west, front=back, buy=sell"""
)
PLURALS = _pairs(
    """cat=cats, dog=dogs, book=books, tree=trees, house=houses, car=cars, bird=birds, star=stars,
    flower=flowers, hat=hats, shoe=shoes, cup=cups, apple=apples, egg=eggs, hand=hands, ball=balls,
    boat=boats, cake=cakes, door=doors, king=kings, lamp=lamps, moon=moons, nest=nests,
    river=rivers, ring=rings, road=roads, song=songs, train=trains, window=windows, friend=friends,
    box=boxes, fox=foxes, bus=buses, glass=glasses, dish=dishes, peach=peaches, witch=witches,
    brush=brushes, dress=dresses, baby=babies, city=cities, berry=berries, story=stories,
    cherry=cherries, puppy=puppies, lady=ladies, party=parties, leaf=leaves, wolf=wolves,
    knife=knives, loaf=loaves, shelf=shelves, child=children, man=men, woman=women, foot=feet,
    tooth=teeth, goose=geese, mouse=mice, sheep=sheep, fish=fish, deer=deer, person=people, ox=oxen,
    potato=potatoes, tomato=tomatoes, hero=heroes, day=days, toy=toys, key=keys"""
)
SOUNDS = _pairs(
    """cat=meow, dog=woof, cow=moo, sheep=baa, duck=quack, pig=oink, horse=neigh, lion=roar,
    bee=buzz, snake=hiss, frog=ribbit, owl=hoot, mouse=squeak, rooster=cock-a-doodle-doo,
    bird=tweet,
    wolf=howl, hen=cluck, crow=caw, donkey=hee-haw, goat=maa, turkey=gobble, bear=growl,
    pigeon=coo"""
)
YOUNG = _pairs(
    """cat=kitten, dog=puppy, cow=calf, sheep=lamb, duck=duckling, pig=piglet, horse=foal, lion=cub,
    bear=cub, goat=kid, hen=chick, goose=gosling, swan=cygnet, frog=tadpole, kangaroo=joey,
    deer=fawn, fox=cub, seal=pup, owl=owlet, elephant=calf, whale=calf, wolf=pup"""
)
LEGS = _pairs(
    """cat=4, dog=4, cow=4, horse=4, sheep=4, pig=4, lion=4, fox=4, bear=4, mouse=4, frog=4,
    rabbit=4, duck=2, bird=2, hen=2, owl=2, penguin=2, crow=2, swan=2, spider=8, bee=6,
    butterfly=6, beetle=6, ladybird=6, fly=6, snake=0, fish=0, worm=0, snail=0, whale=0, crab=10,
    elephant=4"""
)
HOMES = _pairs(
    """fish=in the water, bird=in a nest, bee=in a hive, bear=in a cave, fox=in a den,
    cow=on a farm,
    horse=in a stable, dog=in a house, spider=in a web, lion=in the grassland, camel=in the desert,
    penguin=on the ice, whale=in the sea, monkey=in the jungle, owl=in a tree, rabbit=in a burrow,
    mouse=in a hole, frog=in a pond, pig=in a sty, ant=in an anthill, polar bear=on the ice,
    shark=in the sea, parrot=in the jungle, squirrel=in a tree, mole=under the ground,
    duck=by the lake, goat=in the mountains, crab=on the beach"""
)
CAPITALS = _pairs(
    """France=Paris, Germany=Berlin, Italy=Rome, Spain=Madrid, Portugal=Lisbon, England=London,
    Scotland=Edinburgh, Wales=Cardiff, Ireland=Dublin, Norway=Oslo, Sweden=Stockholm,
    Finland=Helsinki, Denmark=Copenhagen, Iceland=Reykjavik, Poland=Warsaw, Austria=Vienna,
    Hungary=Budapest, Greece=Athens, Russia=Moscow, Ukraine=Kyiv, Turkey=Ankara, Egypt=Cairo,
    Kenya=Nairobi, Ghana=Accra, Morocco=Rabat, Japan=Tokyo, China=Beijing, India=New Delhi,
    Thailand=Bangkok, Vietnam=Hanoi, South Korea=Seoul, Nepal=Kathmandu, Iran=Tehran, Iraq=Baghdad,
    Canada=Ottawa, Mexico=Mexico City, Cuba=Havana, Brazil=Brasilia, Argentina=Buenos Aires,
    Chile=Santiago, Peru=Lima, Colombia=Bogota, Australia=Canberra, New Zealand=Wellington,
    Belgium=Brussels, the Netherlands=Amsterdam, Switzerland=Bern, Romania=Bucharest,
    Bulgaria=Sofia, Croatia=Zagreb, Serbia=Belgrade, Estonia=Tallinn, Latvia=Riga,
    Lithuania=Vilnius"""
)
NEXT_DAYS = _ring("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
NEXT_MONTHS = _ring(
    "January February March April May June July August September October November December"
)
KINDS = _pairs(
    """a cat=an animal, a dog=an animal, a horse=an animal, a rabbit=an animal, a cow=an animal,
    an apple=a fruit, a pear=a fruit, a banana=a fruit, a cherry=a fruit, a peach=a fruit,
    a carrot=a vegetable, a potato=a vegetable, an onion=a vegetable, a cabbage=a vegetable,
    a rose=a flower, a tulip=a flower, a daisy=a flower, an oak=a tree, a pine=a tree,
    a birch=a tree, an eagle=a bird, an owl=a bird, a robin=a bird, a penguin=a bird,
    a shark=a fish, a trout=a fish, a bee=an insect, an ant=an insect, a beetle=an insect,
    a hammer=a tool, a saw=a tool, a piano=an instrument, a violin=an instrument,
    a drum=an instrument, a flute=an instrument, a table=a piece of furniture,
    a chair=a piece of furniture, a bed=a piece of furniture, a bus=a vehicle, a car=a vehicle,
    a bike=a vehicle, red=a colour, blue=a colour, green=a colour, Monday=a day, Friday=a day,
    June=a month, winter=a season, summer=a season, spring=a season, autumn=a season,
    the Moon=a moon, Mars=a planet, Venus=a planet, Jupiter=a planet, the Sun=a star,
    tea=a drink, juice=a drink, bread=a food, cheese=a food, football=a sport, tennis=a sport,
    chess=a game, a coat=a piece of clothing, a hat=a piece of clothing,
    a sock=a piece of clothing"""
)
