/** The part of Structured Field Values (RFC 9651) that signatures and digests are written in: dictionaries of byte sequences and of
 *  inner lists of strings, with parameters. Other types of items are read where they may stand, so that they can be told apart. */

export type BareItem = string | number | boolean | Uint8Array<ArrayBuffer> | Token;
export interface Token {
	readonly token: string;
}
export type Parameters = ReadonlyMap<string, BareItem>;
export interface Item {
	readonly value: BareItem;
	readonly parameters: Parameters;
}
export interface InnerList {
	readonly items: readonly Item[];
	readonly parameters: Parameters;
}
export type Dictionary = ReadonlyMap<string, Item | InnerList>;

/** A field that is longer is not read. */
const FIELD_LENGTH_MAX = 4_096;

class Malformed extends Error {}

/** A dictionary field; null if it is malformed. Of members with one name the last counts. */
export function parseDictionary(field: string): Dictionary | null {
	if (field.length > FIELD_LENGTH_MAX) return null;
	try {
		return new Parser(field).dictionary();
	} catch (error) {
		if (error instanceof Malformed) return null;
		throw error;
	}
}

/** An inner list with its parameters, in the one way in which the standard writes it. */
export function serializeInnerList({ items, parameters }: InnerList): string {
	const members = items.map(({ value, parameters }) => serializeBare(value) + serializeParameters(parameters));
	return `(${members.join(" ")})${serializeParameters(parameters)}`;
}

/** A byte sequence: base64 between colons. */
export function serializeBytes(bytes: Uint8Array): string {
	return `:${btoa(String.fromCharCode(...bytes))}:`;
}

function serializeParameters(parameters: Parameters): string {
	let text = "";
	for (const [name, value] of parameters) text += value === true ? `;${name}` : `;${name}=${serializeBare(value)}`;
	return text;
}

function serializeBare(value: BareItem): string {
	if (typeof value === "string") return `"${value.replace(/["\\]/g, "\\$&")}"`;
	if (typeof value === "number") return String(value);
	if (typeof value === "boolean") return value ? "?1" : "?0";
	return value instanceof Uint8Array ? serializeBytes(value) : value.token;
}

class Parser {
	readonly #text: string;
	#at = 0;

	constructor(text: string) {
		this.#text = text;
	}

	dictionary(): Dictionary {
		const members = new Map<string, Item | InnerList>();
		this.#match(/ */y);
		while (this.#at < this.#text.length) {
			const name = this.#key();
			const value = this.#skip("=") ? this.#member() : { value: true, parameters: this.#parameters() };
			members.delete(name);
			members.set(name, value);
			this.#match(/[ \t]*/y);
			if (this.#at === this.#text.length) break;
			if (!this.#skip(",")) throw new Malformed();
			this.#match(/[ \t]*/y);
			if (this.#at === this.#text.length) throw new Malformed();
		}
		return members;
	}

	#member(): Item | InnerList {
		if (!this.#skip("(")) return this.#item();
		const items: Item[] = [];
		for (;;) {
			this.#match(/ */y);
			if (this.#skip(")")) return { items, parameters: this.#parameters() };
			if (items.length > 0 && this.#text[this.#at - 1] !== " ") throw new Malformed();
			items.push(this.#item());
		}
	}

	#item(): Item {
		return { value: this.#bare(), parameters: this.#parameters() };
	}

	#parameters(): Parameters {
		const parameters = new Map<string, BareItem>();
		while (this.#skip(";")) {
			this.#match(/ */y);
			const name = this.#key();
			const value = this.#skip("=") ? this.#bare() : true;
			parameters.delete(name);
			parameters.set(name, value);
		}
		return parameters;
	}

	#key(): string {
		return this.#match(/[a-z*][a-z0-9_\-.*]*/y);
	}

	#bare(): BareItem {
		switch (this.#text[this.#at]) {
			case '"':
				return this.#match(/"(?:[ !#-[\]-~]|\\["\\])*"/y)
					.slice(1, -1)
					.replace(/\\(.)/g, "$1");
			case ":":
				return base64Bytes(this.#match(/:[A-Za-z0-9+/=]*:/y).slice(1, -1));
			case "?":
				return this.#match(/\?[01]/y) === "?1";
			default:
				return /[A-Za-z*]/.test(this.#text[this.#at] ?? "")
					? { token: this.#match(/[A-Za-z*][\w:/!#$%&'*+\-.^`|~]*/y) }
					: Number(this.#match(/-?(?:\d{1,12}\.\d{1,3}|\d{1,15})(?![\d.])/y));
		}
	}

	#skip(text: string): boolean {
		if (!this.#text.startsWith(text, this.#at)) return false;
		this.#at += text.length;
		return true;
	}

	/** What the sticky pattern matches here; its absence is malformed. */
	#match(pattern: RegExp): string {
		pattern.lastIndex = this.#at;
		const found = pattern.exec(this.#text)?.[0];
		if (found === undefined) throw new Malformed();
		this.#at += found.length;
		return found;
	}
}

function base64Bytes(text: string): Uint8Array<ArrayBuffer> {
	try {
		return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
	} catch {
		throw new Malformed();
	}
}
