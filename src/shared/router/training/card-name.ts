/** The name that a model has in weights, whatever a data set calls it: lower case, without its publisher, with a point in
 *  version numbers. Where the same model was measured in several sets, its names become one. */
export function cardName(name: string): string {
	return name
		.toLowerCase()
		.replace(/^.*\//, "")
		.replace(/(?<=\d)_(?=\d)/g, ".")
		.replace(/^meta-(?=llama)/, "");
}
