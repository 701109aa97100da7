import type { Answer } from "./answer-reader.ts";

/** What a good answer looks like, whoever passed it on. */
export interface Expectation {
	readonly bytesMin: number;
	readonly bytesMax: number;
	readonly endsWith: string;
}

/** What is wrong with an answer, or null. */
export function fault({ status, bodyBytes, tail }: Answer, expected: Expectation): string | null {
	if (status !== 200) return `status ${status}`;
	if (bodyBytes < expected.bytesMin || bodyBytes > expected.bytesMax)
		return `${bodyBytes} bytes instead of ${expected.bytesMin} to ${expected.bytesMax}`;
	if (!tail.trimEnd().endsWith(expected.endsWith)) return `an end like ${JSON.stringify(tail)}`;
	return null;
}
