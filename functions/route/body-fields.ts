import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { foldName, member, type Member } from "../../src/shared/http/json-members.ts";
import {
	booleanAt,
	isNullAt,
	jsonAt,
	numberAt,
	stringAt,
	type JsonText,
	type Span,
} from "../../src/shared/http/json-values.ts";

/** Reads top-level members by name and type. Null counts as absent, as with OpenAI. The first one of a wrong type is kept as
 *  `problem`, and reads as absent. */
export class BodyFields {
	readonly #json: JsonText;
	readonly #members: readonly Member[];
	#problem: IsobarError | null = null;

	constructor(json: JsonText, members: readonly Member[]) {
		this.#json = json;
		this.#members = members;
	}

	/** Refuses what parsers read differently: one of these names twice, or in other letters (Go's takes "Model" for "model"). */
	unambiguous(names: ReadonlySet<string>): void {
		const seen: string[] = [];
		for (const { name } of this.#members) {
			const known = names.has(name);
			if (known && !seen.includes(name)) seen.push(name);
			else if (known) this.wrong(name, `${name} stands in the body more than once.`);
			else if (names.has(foldName(name))) {
				this.wrong(name, `${JSON.stringify(name)} is no field of the API; write ${JSON.stringify(foldName(name))}.`);
			}
		}
	}

	get problem(): IsobarError | null {
		return this.#problem;
	}

	wrong(param: string, message: string): undefined {
		this.#problem ??= isobarError("invalid_request", message, { param });
		return undefined;
	}

	span(name: string): Span | undefined {
		const found = member(this.#members, name)?.value;
		return found && !isNullAt(this.#json, found) ? found : undefined;
	}

	string(name: string): string | undefined {
		return this.#typed(name, "a string", (span) => stringAt(this.#json, span));
	}

	boolean(name: string): boolean | undefined {
		return this.#typed(name, "true or false", (span) => booleanAt(this.#json, span));
	}

	/** A whole number from 1. */
	count(name: string, max: number): number | undefined {
		return this.#typed(name, `a whole number from 1 to ${max}`, (span) => {
			const value = numberAt(this.#json, span);
			return value !== undefined && Number.isInteger(value) && value >= 1 && value <= max ? value : undefined;
		});
	}

	json(name: string): unknown {
		return this.#typed(name, "valid JSON", (span) => jsonAt(this.#json, span));
	}

	#typed<T>(name: string, expected: string, readAt: (span: Span) => T | undefined): T | undefined {
		const span = this.span(name);
		if (!span) return undefined;
		return readAt(span) ?? this.wrong(name, `${name} must be ${expected}.`);
	}
}
