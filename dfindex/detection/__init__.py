"""Ask an encoder's own head: real or fake, and what that rests on."""
