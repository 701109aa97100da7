import * as fc from "fast-check";

const space = fc.string({ unit: fc.constantFrom(" ", "\n", "\r", "\t"), maxLength: 3 });

/** One character of a string in one of the ways that JSON can write it: as itself, short escape, or \u escape. */
const character = fc.oneof(
	fc.string({ unit: "binary", minLength: 1, maxLength: 1 }).map((char) => JSON.stringify(char).slice(1, -1)),
	fc.nat({ max: 0xffff }).map((code) => `\\u${code.toString(16).padStart(4, "0")}`),
	fc.constantFrom(
		'\\"',
		"\\\\",
		"\\/",
		"\\b",
		"\\f",
		"\\n",
		"\\r",
		"\\t",
		"{",
		"}",
		"[",
		"]",
		",",
		":",
		"\u00e9",
		"\u{1f600}",
	),
);

/** The JSON text of a string, quotes included. Long enough at times to leave the part that is read byte by byte. */
export const stringText = fc.array(character, { maxLength: 24 }).map((chars) => `"${chars.join("")}"`);

const numberText = fc.oneof(
	fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => JSON.stringify(number)),
	fc.constantFrom("0", "-0", "1e5", "1E+5", "-1.50e-3", "0.0", "123456789012345678901234567890", "1e999"),
);

const { value } = fc.letrec<{ value: string }>((tie) => ({
	value: fc.oneof(
		{ maxDepth: 4, withCrossShrink: true },
		fc.constantFrom("null", "true", "false"),
		numberText,
		stringText,
		container("[", "]", tie("value")),
		container(
			"{",
			"}",
			fc.tuple(stringText, space, space, tie("value")).map(([k, a, b, v]) => `${k}${a}:${b}${v}`),
		),
	),
}));

function container(open: string, close: string, item: fc.Arbitrary<string>): fc.Arbitrary<string> {
	return fc
		.tuple(space, fc.array(fc.tuple(space, item, space), { maxLength: 4 }))
		.map(([inside, items]) => open + (items.map((parts) => parts.join("")).join(",") || inside) + close);
}

/** Any JSON text, with spaces in all places that allow them. */
export const valueText = value;

/** A member name as JSON writes it; the names that tests look for come often, at times with an escape in them. */
export const nameText = fc.oneof(
	stringText,
	fc.constantFrom(
		'"model"',
		'"mod\\u0065l"',
		'"isobar"',
		'"max_tokens"',
		'"stream_options"',
		'"a"',
		'""',
		'"__proto__"',
	),
);

export interface MemberText {
	readonly name: string;
	readonly value: string;
}

export interface ObjectText {
	readonly text: string;
	readonly members: readonly MemberText[];
}

/** An object, duplicates of names included, and what it was made of. */
export const objectText: fc.Arbitrary<ObjectText> = fc
	.tuple(
		space,
		space,
		fc.array(fc.record({ name: nameText, value: valueText, spaces: fc.tuple(space, space, space, space) }), {
			maxLength: 7,
		}),
	)
	.map(([before, after, members]) => {
		const items = members.map(({ name, value, spaces: [a, b, c, d] }) => `${a}${name}${b}:${c}${value}${d}`);
		return { text: `${before}{${items.join(",") || after}}${after}`, members };
	});

export function bytesOf(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}

export function textOf(bytes: Uint8Array): string {
	return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}
