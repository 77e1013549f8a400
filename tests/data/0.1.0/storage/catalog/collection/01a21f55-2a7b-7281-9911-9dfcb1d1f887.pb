
commonsbooks╒U*{r│≥²Э╠яЬ┤"all of them*
envprod0Й╡≈тн╙≤8П©╒тн╙≤@H