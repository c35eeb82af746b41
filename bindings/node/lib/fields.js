// The fields of a session as properties of an object, and the difference to what was loaded.
'use strict';

const NUMBERS = /"(?:[^"\\]+|\\.)*"|-?\d[\d.eE+-]*/g;

/** Returns whether JavaScript writes the numbers of this JSON text as they are: not so with 2^53 + 1, 1.0 or 1e400. */
function isExact(json) {
  const tokens = json.match(NUMBERS) ?? [];
  return tokens.every((token) => token[0] === '"' || String(Number(token)) === token);
}

/** Returns a field's value as JSON text. Throws a TypeError if JSON would lose something of it. */
function toJson(name, value) {
  const invalid = (what) => new TypeError(`session field ${JSON.stringify(name)} holds ${what}, which JSON cannot hold`);
  if (!name.isWellFormed()) {
    throw invalid('a lone surrogate in its name');
  }
  return JSON.stringify(value, (key, part) => {
    if (!key.isWellFormed() || (typeof part === 'string' && !part.isWellFormed())) {
      throw invalid('a lone surrogate');
    }
    if (part === undefined || ['function', 'symbol', 'bigint'].includes(typeof part)) {
      throw invalid(part === undefined ? 'undefined' : `a ${typeof part}`);
    }
    if (typeof part === 'number' && !Number.isFinite(part)) {
      throw invalid(String(part));
    }
    if (part instanceof Map || part instanceof Set) {
      throw invalid(`a ${part.constructor.name}`);
    }
    return part;
  });
}

/** A field as it was loaded. It is parsed when it is first read. */
class Field {
  isRead = false;
  isAssigned = false;

  constructor(text) {
    this.text = text;
  }

  get value() {
    if (!this.isRead) {
      this.isRead = true;
      this.current = JSON.parse(this.text);
      this.before = JSON.stringify(this.current);
    }
    return this.current;
  }

  set value(value) {
    // `cart = session.cart; cart.push(…); session.cart = cart` changes the field in place
    const isSame = this.isRead && value === this.current && typeof value === 'object';
    this.isAssigned ||= !isSame;
    this.isRead = true;
    this.current = value;
  }
}

/** The fields of one session object. */
class Fields {
  #loaded = new Map();

  /** Replaces the properties of `session` by fields: names and JSON texts in turns. Fields with a name in `reserved` stay hidden. */
  fill(session, entries, reserved) {
    for (const name of Object.keys(session)) {
      delete session[name];
    }
    this.#loaded.clear();
    for (let index = 0; index < entries.length; index += 2) {
      if (!reserved.has(entries[index])) {
        this.#define(session, entries[index], new Field(entries[index + 1]));
      }
    }
  }

  #define(session, name, field) {
    this.#loaded.set(name, field);
    const set = (value) => (field.value = value);
    Object.defineProperty(session, name, { get: () => field.value, set, enumerable: true, configurable: true });
  }

  /** Returns the fields that were set, with their JSON texts, and those that were removed, with null. */
  changes(session, reserved) {
    const changes = new Map();
    for (const name of this.#loaded.keys()) {
      if (!Object.hasOwn(session, name)) {
        changes.set(name, null);
      }
    }
    for (const name of Object.keys(session)) {
      const isLoaded = Object.getOwnPropertyDescriptor(session, name).get !== undefined;
      const field = isLoaded ? this.#loaded.get(name) : undefined;
      if (field && !field.isRead) {
        continue; // untouched, so its bytes stay
      }
      if (reserved.has(name)) {
        throw new TypeError(`session field ${JSON.stringify(name)} has the name of a member of the session: choose another name`);
      }
      const text = toJson(name, session[name]);
      if (field && !field.isAssigned) {
        if (text === field.before) {
          continue;
        }
        if (!isExact(field.text)) {
          const why = 'was changed in place, but holds a number that JavaScript cannot hold exactly: assign a new value';
          throw new TypeError(`session field ${JSON.stringify(name)} ${why}`);
        }
      }
      changes.set(name, text);
    }
    return changes;
  }

  /** Notes that these changes were stored. */
  stored(session, changes) {
    for (const [name, text] of changes) {
      if (text === null) {
        this.#loaded.delete(name);
      } else if (Object.hasOwn(session, name)) {
        const field = new Field(text);
        field.isRead = true;
        field.current = session[name];
        field.before = text;
        this.#define(session, name, field);
      }
    }
  }
}

module.exports = { Fields };
