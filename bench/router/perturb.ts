import { shuffle, type Random } from "../../src/shared/router/training/random.ts";

/** Ways to word a prompt slightly differently. */
export const PERTURBATIONS: Readonly<Record<string, (prompt: string, random: Random) => string>> = {
	/** One word in twenty has two neighbouring letters exchanged. */
	typos: (prompt, random) =>
		prompt.replace(/[A-Za-z]{4,}/g, (word) => {
			if (random() >= 0.05) return word;
			const at = 1 + Math.floor(random() * (word.length - 2));
			return word.slice(0, at) + word[at + 1]! + word[at]! + word.slice(at + 2);
		}),
	"upper case": (prompt) => prompt.toUpperCase(),
	"white space": (prompt, random) => prompt.replace(/ /g, () => (random() < 0.1 ? "  " : " ")) + "\n",
	"options in another order": (prompt, random) => {
		const options = [...prompt.matchAll(/^([A-J][.)]) (.*)$/gm)].map((match) => match[2]!);
		if (options.length < 2) return prompt;
		const order = shuffle(
			options.map((_, i) => i),
			random,
		);
		let next = 0;
		return prompt.replace(/^([A-J][.)]) (.*)$/gm, (_, letter: string) => `${letter} ${options[order[next++]!]!}`);
	},
	"a polite beginning": (prompt) => `Hello! Could you please help me with this? ${prompt}`,
};
