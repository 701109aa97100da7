import { err, ok, type Result } from "../../result.ts";
import { cardName } from "./card-name.ts";
import type { Outcome } from "./outcome.ts";
import { CHARS_PER_TOKEN } from "./parse.ts";

/** USD per million tokens. */
export interface Price {
	readonly input: number;
	readonly output: number;
}

/** `{ model: { input, output } }`, in USD per million tokens, by card name. */
export function parsePrices(text: string): Result<Map<string, Price>, string> {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		return err("This is not JSON.");
	}
	if (typeof value !== "object" || value === null || Array.isArray(value))
		return err("Prices must be an object by model.");
	const prices = new Map<string, Price>();
	for (const [name, price] of Object.entries(value as Record<string, Partial<Price> | null>)) {
		const [input, output] = [price?.input, price?.output];
		if (typeof input !== "number" || typeof output !== "number" || !(input >= 0) || !(output >= 0))
			return err(`The price of ${name} must have \`input\` and \`output\`, USD per million tokens.`);
		prices.set(cardName(name), { input, output });
	}
	return ok(prices);
}

/** With what each request would have cost at these prices, where the outcome does not say: a token is four characters. */
export function withPrices(outcomes: readonly Outcome[], prices: ReadonlyMap<string, Price>): Outcome[] {
	return outcomes.map((outcome) => {
		const usd = new Map(outcome.usd);
		for (const [model, tokens] of outcome.outputTokens) {
			const price = prices.get(model);
			if (!price || usd.has(model)) continue;
			const input = outcome.prompt.length / CHARS_PER_TOKEN;
			usd.set(model, (input * price.input + tokens * price.output) / 1e6);
		}
		return { ...outcome, usd };
	});
}
