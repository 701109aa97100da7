import { isobarError, type IsobarError } from "../../src/shared/http/errors.ts";
import { member, type Member } from "../../src/shared/http/json-members.ts";
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
