package live

// MaxPrograms is the bound of the compiled policies that are kept.
const MaxPrograms = maxPrograms
