"""Names: common ones, made-up ones, and towns, each on its own side of the split."""

from __future__ import annotations

from random import Random

from .example import held_out, words

_GIRLS = words("""
Ada Alice Amara Amy Anna Aria Aisha Beth Bella Chloé Clara Daisy Dora Elena Ella Emma
Esme Eva Faye Fatima Fiona Flora Freya Grace Greta Hana Hanna Hazel Heidi Holly Ida Ines Iris Isla
Ivy Jade Jane Jill Joan Judy Julia June Kate Kira Lara Laura Layla Lea Leila Lena Lily Lina Lisa
Lola Lucy Luna Maria Maya Mei Mia Mila Mina Molly Nadia Nina Nora Olga Olive Paula Petra Pia Poppy
Priya Rita Rosa Rose Ruby Ruth Sara Stella Sue Tara Tess Tilda Uma Vera Wanda Willow Yara
Yuki Zara Zelda Zoe Zoë""")
_BOYS = words("""
Adam Alan Alex Ali Andy Arjun Arlo Ben Bob Boris Bruno Carl Chen Dan David Diego Dylan
Eddie Eli Emil Eric Ethan Felix Finn Frank Fred George Gus Hal Hans Harry Henry Hugo Ian Igor Isaac
Ivan Jack Jakob James Jim Joe John Jonas José Juan Kai Karl Ken Kofi Leo Levi Liam Louis Luca Luke
Marco Mark Max Milo Mohamed Nate Ned Nico Niels Noah Oliver Omar Oscar Otto Owen Pablo Paul Pedro
Peter Quinn Rafael Ravi Ray Rémi Robin Roman Ryan Sam Simon Sven Ted Theo Tim Tom Tomás Tony Umar
Victor Walter Will Wei Yusuf Zack Zeno""")
_PETS = words("""
Biscuit Bubbles Button Clover Cookie Dot Fluffy Ginger Honey Mango Misty Muffin Nibbles
Patch Pebble Pepper Pickle Pip Rex Rusty Scout Shadow Snowy Spot Sunny Teddy Tiger Toby Twig
Whiskers""")
_OPENINGS = words("""
A Al An Ba Be Bi Bo Bra Ca Cor Da De Do Dra E El Fa Fi Fo Ga Ge Gri Ha He Hi I Ja Jo
Ka Ke Ki Ko La Le Li Lo Lu Ma Me Mi Mo Na Ne Ni No O Or Pa Pe Po Qui Ra Re Ri Ro Sa Se Shi So Su Ta
Te Ti To Tu U Va Ve Vi Vo Wa We Wi Ya Yo Za Ze Zi Zo""")
_MIDDLES = words("""
ba be bi bo da de di do fa fi ga go ka ki ko la le li lo lu ma me mi mo na ne ni no pa
pi po ra re ri ro ru sa se si so ta te ti to va ve vi vo za zi""")
_CLOSINGS = words("""
a an ar as bel d da den do el en er eth ia in ina is ka l la len lin lis lo m mar mel
mo n na nn no o on or os r ra rel ren rin ro s sa sha ta th tin to us va vin x ya yn z zo""")
_TOWN_ENDS = words("bay bridge dale field ford ham haven hill mouth port stead ton ville wick wood")


def _side(names: list[str], *, test: bool) -> list[str]:
    return [name for name in names if held_out(f"name:{name}") is test]


def _made_up(rng: Random) -> str:
    middles = "".join(rng.choices(_MIDDLES, k=rng.choice((0, 0, 1, 1, 2))))
    return rng.choice(_OPENINGS) + middles + rng.choice(_CLOSINGS)


def girl(rng: Random, *, test: bool = False) -> str:
    """Return a name that goes with "she"."""
    return rng.choice(_side(_GIRLS, test=test))


def boy(rng: Random, *, test: bool = False) -> str:
    """Return a name that goes with "he"."""
    return rng.choice(_side(_BOYS, test=test))


def person(rng: Random, *, test: bool = False) -> str:
    """Return a name of either kind; every second one is made up from syllables."""
    if rng.random() < 0.5:
        return rng.choice(_side(_GIRLS + _BOYS, test=test))
    while True:
        name = _made_up(rng)
        if len(name) > 2 and held_out(f"name:{name}") is test:
            return name


def pet(rng: Random, *, test: bool = False) -> str:
    """Return a name for a pet: one of the usual ones, or a person's."""
    return rng.choice(_side(_PETS, test=test)) if rng.random() < 0.5 else person(rng, test=test)


def town(rng: Random, *, test: bool = False) -> str:
    """Return the name of a town that is on no map."""
    while True:
        name = rng.choice(_OPENINGS) + rng.choice(_CLOSINGS) + rng.choice(_TOWN_ENDS)
        if held_out(f"name:{name}") is test:
            return name
