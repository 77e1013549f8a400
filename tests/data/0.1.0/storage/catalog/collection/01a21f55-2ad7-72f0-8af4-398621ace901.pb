
commonsbooks-again¢U*×rğŠô9†!¬é0ß‚ÔÎª˜8ÚÉÔÎª˜@HR¡
#workspaces/commons/snapshots/monday¢U*‘vå”8uOÕ°,Ù'workspaces/commons/restores/books-again"$workspaces/commons/collections/books*¢U*{r™ü±Ñø‡0·è˜ÔÎª˜