import { hashText, seeded } from "./random.ts";

const WORDS = (
	"time space pressure line field wave light water stone river forest winter summer morning signal number letter paper " +
	"engine token model answer prompt cache block queue batch pool replica edge cloud north south early quiet slow warm cold " +
	"small large equal even open near and then while under over into from with about after before between through"
).split(" ");
const PROSE_CHARACTERS = 16_384;

/** Simulated prose: it says what it is, and goes on with words that mean nothing. ASCII letters and full stops only, so
 *  that it stands in JSON as it is (the replica's name aside). */
export class AnswerText {
	readonly #opening: string;
	readonly #prose: string;

	constructor(replica: string, seed: number) {
		this.#opening = `This is a simulated answer from replica ${replica}; no model was run. `;
		const rng = seeded(hashText(replica, seed));
		const words: string[] = [];
		for (let length = 0; length < PROSE_CHARACTERS; length += words.at(-1)!.length + 1) {
			const word = WORDS[Math.floor(rng() * WORDS.length)]!;
			words.push(rng() < 0.08 ? `${word}.` : word);
		}
		this.#prose = `${words.join(" ")} `;
	}

	/** The first `characters` of the answer that belongs to `key`. */
	answer(key: number, characters: number): string {
		return (this.#opening + this.prose(key, characters - this.#opening.length)).slice(0, characters);
	}

	prose(key: number, characters: number): string {
		if (characters <= 0) return "";
		const prose = this.#prose;
		const start = prose.indexOf(" ", key % (prose.length - 32)) + 1;
		let text = prose.slice(start, start + characters);
		while (text.length < characters) text += prose.slice(0, characters - text.length);
		return text;
	}
}
